"""LALR tables of grammar/nnspec.lark, written by `python -m nnspec.syntax.generate`. Do not edit."""

# ruff: noqa: E501 - a row of a table is a line
# fmt: off

from __future__ import annotations

START = {"file": 0, "value": 1}
# a line a rule: left side, length, builder, kept symbols, spliced ones
RULES = """\
file 1 file 0 0
file 0 file - -
value 1 value 0 -
_items 2 - 0,1 1
_items 1 - 0 -
item 1 = 0 -
item 1 = 0 -
item 1 = 0 -
item 1 = 0 -
item 1 = 0 -
item 1 = 0 -
item 1 = 0 -
item 1 = 0 -
item 1 = 0 -
item 1 = 0 -
item 1 = 0 -
item 1 = 0 -
item 1 = 0 -
item 1 = 0 -
item 1 = 0 -
item 1 = 0 -
item 1 = 0 -
version 2 version 1 -
import 2 import 1 -
block 4 block 1,2,3 -
model 4 model 1,2,3 -
model 3 model 1,2 -
head 5 head 1,2,3 1,3
head 4 head 1,2 1
head 3 head 1 1
head 4 head 1,2 2
head 3 head 1 -
head 2 head - -
head 1 head 0 -
_settings 3 - 0,1 1
_settings 2 - 0,1 1
_settings 2 - 0 -
_settings 1 - 0 -
setting 3 setting 0,2 -
setting 1 setting 0 -
setting 1 setting 0 -
data 3 data 1,2 2
data 2 data 1 1
train 3 train 1,2 2
train 2 train 1 1
_entries 4 - 1,2 2
_entries 3 - 1 -
_entries 2 - - -
entry 6 entry 0,2,5 -
entry 3 entry 0,2 -
entry 1 entry 0 -
let 6 let 1,3,5 -
let 4 let 1,3 -
input 4 input 1,3 -
target 4 target 1,3 -
dim 3 dim 1,2 2
dim 2 dim 1 -
size 3 size 0,2 -
size 1 size 0 -
param 6 param 1,3,5 -
param 4 param 1,3 -
noise 6 noise 1,3,5 -
noise 4 noise 1,3 -
layer 4 layer 1,3 -
output 4 output 1,3 -
require 2 require 1 -
bind 4 bind 0,1,3 1
bind 3 bind 0,2 -
expression 1 = 0 -
type 3 type 0,1,2 -
type 2 type 0,1 -
type 2 type 0,1 -
type 1 type 0 -
type 1 type 0 -
type_arguments 5 type_arguments 1,2 2
type_arguments 4 type_arguments 1,2 2
type_arguments 4 type_arguments 1 -
type_arguments 3 type_arguments 1 -
type_arguments 2 type_arguments - -
type_sizes 5 type_sizes 1,2 2
type_sizes 4 type_sizes 1,2 2
type_sizes 4 type_sizes 1 -
type_sizes 3 type_sizes 1 -
type_sizes 2 type_sizes - -
body 3 body 1 1
body 2 body - -
body 1 body 0 -
pipeline 1 = 0 -
pipeline 2 pipeline 0,1 1
step 1 = 0 -
step 2 labelled 0,1 -
_next_step 1 = 0 -
_next_step 1 = 0 -
shape 6 shape 0,2,3 3
shape 5 shape 0,2,3 3
shape 5 shape 0,2 -
shape 4 shape 0,2 -
shape 3 shape 0 -
label 2 label 0,1 -
label 2 label 0,1 0
_label_part 1 - 0 -
_label_part 3 - 1 -
_expr 1 = 0 -
disjunction 1 = 0 -
disjunction 3 binary 0,1,2 -
conjunction 1 = 0 -
conjunction 3 binary 0,1,2 -
negation 1 = 0 -
negation 2 unary 0,1 -
comparison 1 = 0 -
comparison 3 binary 0,1,2 -
comparison 3 binary 0,1,2 -
comparison 3 binary 0,1,2 -
comparison 3 binary 0,1,2 -
comparison 3 binary 0,1,2 -
comparison 3 binary 0,1,2 -
range 1 = 0 -
range 3 range 0,2 -
sum 1 = 0 -
sum 3 binary 0,1,2 -
sum 3 binary 0,1,2 -
product 1 = 0 -
product 3 binary 0,1,2 -
product 3 binary 0,1,2 -
product 3 binary 0,1,2 -
product 3 binary 0,1,2 -
negative 1 = 0 -
negative 2 unary 0,1 -
power 1 = 0 -
power 3 binary 0,1,2 -
postfix 1 = 0 -
postfix 2 attribute 0,1 -
postfix 6 index 0,2,3 3
postfix 5 index 0,2,3 3
postfix 5 index 0,2 -
postfix 4 index 0,2 -
_index 1 = 0 -
_index 1 = 0 -
slice 5 slice 0,1,2,3,4 -
slice 4 slice 0,1,2,3 -
slice 3 slice 0,1,2 -
slice 4 slice 0,1,2,3 -
slice 3 slice 0,1,2 -
slice 2 slice 0,1 -
slice 4 slice 0,1,2,3 -
slice 3 slice 0,1,2 -
slice 2 slice 0,1 -
slice 3 slice 0,1,2 -
slice 2 slice 0,1 -
slice 1 slice 0 -
atom 1 name 0 -
atom 1 number 0 -
atom 1 string 0 -
atom 1 true - -
atom 1 false - -
atom 1 = 0 -
atom 1 = 0 -
atom 1 = 0 -
atom 1 = 0 -
atom 1 = 0 -
atom 1 poison 0 -
call 6 call 0,2,3,4 3,4
call 5 call 0,2,3 3
call 5 call 0,2,3 3
call 4 call 0,2 -
call 3 call 0 -
_separator 1 - - -
_separator 1 - - -
argument 1 = 0 -
argument 3 setting_of 0,2 -
list 5 list 1,2 2
list 4 list 1,2 2
list 4 list 1 -
list 3 list 1 -
list 2 list - -
paren 3 paren 1 -
if 5 if 1,2,4 -
if 5 if 1,2,4 -
if 3 if 1,2 -
for 6 for 1,2,4,5 2
for 5 for 1,3,4 -
___items_star_0 2 - 1 -
___items_star_0 3 - 0,2 0
___settings_star_1 2 - 1 -
___settings_star_1 3 - 0,2 0
___entries_star_2 2 - 1 -
___entries_star_2 3 - 0,2 0
__dim_star_3 2 - 1 -
__dim_star_3 3 - 0,2 0
__bind_star_4 2 - 1 -
__bind_star_4 3 - 0,2 0
__type_arguments_star_5 2 - 1 -
__type_arguments_star_5 3 - 0,2 0
__pipeline_plus_6 2 - 1 -
__pipeline_plus_6 3 - 0,2 0
__label_plus_7 1 - 0 0
__label_plus_7 2 - 0,1 0,1
__postfix_star_8 2 - 1 -
__postfix_star_8 3 - 0,2 0
__call_star_9 2 - 0,1 0
__call_star_9 3 - 0,1,2 0,1
__list_star_10 2 - 1 -
__list_star_10 3 - 0,2 0
"""
# a line a row: symbols, each with its number
ACTIONS_ROWS = """\
!= -117 $END -117 ) -117 + 132 , -117 - 131 -> -117 .. 133 : -117 ; -117 < -117 <= -117 == -117 > -117 >= -117 POISON -117 ] -117 _LABEL_CLOSE -117 _NEWLINE -117 and -117 in -117 or -117 { -117 } -117
!= -118 $END -118 ) -118 + 132 , -118 - 131 -> -118 : -118 ; -118 < -118 <= -118 == -118 > -118 >= -118 POISON -118 ] -118 _LABEL_CLOSE -118 _NEWLINE -118 and -118 in -118 or -118 { -118 } -118
!= -119 $END -119 % 119 ) -119 * 121 + -119 , -119 - -119 -> -119 .. -119 / 120 // 122 : -119 ; -119 < -119 <= -119 == -119 > -119 >= -119 POISON -119 ] -119 _LABEL_CLOSE -119 _NEWLINE -119 and -119 in -119 or -119 { -119 } -119
!= -120 $END -120 % 119 ) -120 * 121 + -120 , -120 - -120 -> -120 .. -120 / 120 // 122 : -120 ; -120 < -120 <= -120 == -120 > -120 >= -120 POISON -120 ] -120 _LABEL_CLOSE -120 _NEWLINE -120 and -120 in -120 or -120 { -120 } -120
!= -121 $END -121 % 119 ) -121 * 121 + -121 , -121 - -121 -> -121 .. -121 / 120 // 122 : -121 ; -121 < -121 <= -121 == -121 > -121 >= -121 POISON -121 ] -121 _LABEL_CLOSE -121 _NEWLINE -121 and -121 in -121 or -121 { -121 } -121
!= -122 $END -122 % -122 ) -122 * -122 + -122 , -122 - -122 -> -122 .. -122 / -122 // -122 : -122 ; -122 < -122 <= -122 == -122 > -122 >= -122 POISON -122 ] -122 _LABEL_CLOSE -122 _NEWLINE -122 and -122 in -122 or -122 { -122 } -122
!= -123 $END -123 % -123 ) -123 * -123 + -123 , -123 - -123 -> -123 .. -123 / -123 // -123 : -123 ; -123 < -123 <= -123 == -123 > -123 >= -123 POISON -123 ] -123 _LABEL_CLOSE -123 _NEWLINE -123 and -123 in -123 or -123 { -123 } -123
!= -124 $END -124 % -124 ) -124 * -124 + -124 , -124 - -124 -> -124 .. -124 / -124 // -124 : -124 ; -124 < -124 <= -124 == -124 > -124 >= -124 POISON -124 ] -124 _LABEL_CLOSE -124 _NEWLINE -124 and -124 in -124 or -124 { -124 } -124
!= -125 $END -125 % -125 ) -125 * -125 + -125 , -125 - -125 -> -125 .. -125 / -125 // -125 : -125 ; -125 < -125 <= -125 == -125 > -125 >= -125 POISON -125 ] -125 _LABEL_CLOSE -125 _NEWLINE -125 and -125 in -125 or -125 { -125 } -125
!= -126 $END -126 % -126 ) -126 * -126 + -126 , -126 - -126 -> -126 .. -126 / -126 // -126 : -126 ; -126 < -126 <= -126 == -126 > -126 >= -126 POISON -126 ] -126 _LABEL_CLOSE -126 _NEWLINE -126 and -126 in -126 or -126 { -126 } -126
!= -127 $END -127 % -127 ) -127 * -127 + -127 , -127 - -127 -> -127 .. -127 / -127 // -127 : -127 ; -127 < -127 <= -127 == -127 > -127 >= -127 POISON -127 ] -127 _LABEL_CLOSE -127 _NEWLINE -127 and -127 in -127 or -127 { -127 } -127
!= -128 $END -128 % -128 ) -128 * -128 + -128 , -128 - -128 -> -128 .. -128 / -128 // -128 : -128 ; -128 < -128 <= -128 == -128 > -128 >= -128 POISON -128 ] -128 _LABEL_CLOSE -128 _NEWLINE -128 and -128 in -128 or -128 { -128 } -128
!= -129 $END -129 % -129 ) -129 * -129 + -129 , -129 - -129 -> -129 .. -129 / -129 // -129 : -129 ; -129 < -129 <= -129 == -129 > -129 >= -129 ATTRIBUTE 116 POISON -129 [ 118 ] -129 ^ 117 _LABEL_CLOSE -129 _NEWLINE -129 and -129 in -129 or -129 { -129 } -129
!= -130 $END -130 % -130 ) -130 * -130 + -130 , -130 - -130 -> -130 .. -130 / -130 // -130 : -130 ; -130 < -130 <= -130 == -130 > -130 >= -130 POISON -130 ] -130 _LABEL_CLOSE -130 _NEWLINE -130 and -130 in -130 or -130 { -130 } -130
!= -131 $END -131 % -131 ) -131 * -131 + -131 , -131 - -131 -> -131 .. -131 / -131 // -131 : -131 ; -131 < -131 <= -131 == -131 > -131 >= -131 ATTRIBUTE -131 POISON -131 [ -131 ] -131 ^ -131 _LABEL_CLOSE -131 _NEWLINE -131 and -131 in -131 or -131 { -131 } -131
!= -132 $END -132 % -132 ) -132 * -132 + -132 , -132 - -132 -> -132 .. -132 / -132 // -132 : -132 ; -132 < -132 <= -132 == -132 > -132 >= -132 ATTRIBUTE -132 POISON -132 [ -132 ] -132 ^ -132 _LABEL_CLOSE -132 _NEWLINE -132 and -132 in -132 or -132 { -132 } -132
!= -133 $END -133 % -133 ) -133 * -133 + -133 , -133 - -133 -> -133 .. -133 / -133 // -133 : -133 ; -133 < -133 <= -133 == -133 > -133 >= -133 ATTRIBUTE -133 POISON -133 [ -133 ] -133 ^ -133 _LABEL_CLOSE -133 _NEWLINE -133 and -133 in -133 or -133 { -133 } -133
!= -134 $END -134 % -134 ) -134 * -134 + -134 , -134 - -134 -> -134 .. -134 / -134 // -134 : -134 ; -134 < -134 <= -134 == -134 > -134 >= -134 ATTRIBUTE -134 POISON -134 [ -134 ] -134 ^ -134 _LABEL_CLOSE -134 _NEWLINE -134 and -134 in -134 or -134 { -134 } -134
!= -135 $END -135 % -135 ) -135 * -135 + -135 , -135 - -135 -> -135 .. -135 / -135 // -135 : -135 ; -135 < -135 <= -135 == -135 > -135 >= -135 ATTRIBUTE -135 POISON -135 [ -135 ] -135 ^ -135 _LABEL_CLOSE -135 _NEWLINE -135 and -135 in -135 or -135 { -135 } -135
!= -136 $END -136 % -136 ) -136 * -136 + -136 , -136 - -136 -> -136 .. -136 / -136 // -136 : -136 ; -136 < -136 <= -136 == -136 > -136 >= -136 ATTRIBUTE -136 POISON -136 [ -136 ] -136 ^ -136 _LABEL_CLOSE -136 _NEWLINE -136 and -136 in -136 or -136 { -136 } -136
!= -151 $END -151 % -151 ( 97 ) -151 * -151 + -151 , -151 - -151 -> -151 .. -151 / -151 // -151 : -151 ; -151 < -151 <= -151 == -151 > -151 >= -151 ATTRIBUTE -151 POISON -151 [ -151 ] -151 ^ -151 _LABEL_CLOSE -151 _NEWLINE -151 and -151 in -151 or -151 { -151 } -151
!= -151 $END -151 % -151 ( 97 ) -151 * -151 + -151 , -151 - -151 -> -151 .. -151 / -151 // -151 : 94 ; -151 < -151 <= -151 == -151 > -151 >= -151 ATTRIBUTE -151 [ -151 ] -151 ^ -151 _NEWLINE -151 and -151 in -151 or -151 } -151
!= -151 $END -151 % -151 ( 97 * -151 + -151 , 95 - -151 -> -151 .. -151 / -151 // -151 : 94 < -151 <= -151 = 96 == -151 > -151 >= -151 ATTRIBUTE -151 [ -151 ^ -151 _NEWLINE -151 and -151 or -151 } -151
!= -151 % -151 ( 97 ) -151 * -151 + -151 , -151 - -151 -> -151 .. -151 / -151 // -151 : 94 ; -151 < -151 <= -151 = 231 == -151 > -151 >= -151 ATTRIBUTE -151 [ -151 ^ -151 and -151 or -151
!= -152 $END -152 % -152 ) -152 * -152 + -152 , -152 - -152 -> -152 .. -152 / -152 // -152 : -152 ; -152 < -152 <= -152 == -152 > -152 >= -152 ATTRIBUTE -152 POISON -152 [ -152 ] -152 ^ -152 _LABEL_CLOSE -152 _NEWLINE -152 and -152 in -152 or -152 { -152 } -152
!= -153 $END -153 % -153 ) -153 * -153 + -153 , -153 - -153 -> -153 .. -153 / -153 // -153 : -153 ; -153 < -153 <= -153 == -153 > -153 >= -153 ATTRIBUTE -153 POISON -153 [ -153 ] -153 ^ -153 _LABEL_CLOSE -153 _NEWLINE -153 and -153 in -153 or -153 { -153 } -153
!= -154 $END -154 % -154 ) -154 * -154 + -154 , -154 - -154 -> -154 .. -154 / -154 // -154 : -154 ; -154 < -154 <= -154 == -154 > -154 >= -154 ATTRIBUTE -154 POISON -154 [ -154 ] -154 ^ -154 _LABEL_CLOSE -154 _NEWLINE -154 and -154 in -154 or -154 { -154 } -154
!= -155 $END -155 % -155 ) -155 * -155 + -155 , -155 - -155 -> -155 .. -155 / -155 // -155 : -155 ; -155 < -155 <= -155 == -155 > -155 >= -155 ATTRIBUTE -155 POISON -155 [ -155 ] -155 ^ -155 _LABEL_CLOSE -155 _NEWLINE -155 and -155 in -155 or -155 { -155 } -155
!= -156 $END -156 % -156 ) -156 * -156 + -156 , -156 - -156 -> -156 .. -156 / -156 // -156 : -156 ; -156 < -156 <= -156 == -156 > -156 >= -156 ATTRIBUTE -156 POISON -156 [ -156 ] -156 ^ -156 _LABEL_CLOSE -156 _NEWLINE -156 and -156 in -156 or -156 { -156 } -156
!= -157 $END -157 % -157 ) -157 * -157 + -157 , -157 - -157 -> -157 .. -157 / -157 // -157 : -157 ; -157 < -157 <= -157 == -157 > -157 >= -157 ATTRIBUTE -157 POISON -157 [ -157 ] -157 ^ -157 _LABEL_CLOSE -157 _NEWLINE -157 and -157 in -157 or -157 { -157 } -157
!= -158 $END -158 % -158 ) -158 * -158 + -158 , -158 - -158 -> -158 .. -158 / -158 // -158 : -158 ; -158 < -158 <= -158 == -158 > -158 >= -158 ATTRIBUTE -158 POISON -158 [ -158 ] -158 ^ -158 _LABEL_CLOSE -158 _NEWLINE -158 and -158 in -158 or -158 { -158 } -158
!= -159 $END -159 % -159 ) -159 * -159 + -159 , -159 - -159 -> -159 .. -159 / -159 // -159 : -159 ; -159 < -159 <= -159 == -159 > -159 >= -159 ATTRIBUTE -159 POISON -159 [ -159 ] -159 ^ -159 _LABEL_CLOSE -159 _NEWLINE -159 and -159 in -159 or -159 { -159 } -159
!= -160 $END -160 % -160 ) -160 * -160 + -160 , -160 - -160 -> -160 .. -160 / -160 // -160 : -160 ; -160 < -160 <= -160 == -160 > -160 >= -160 ATTRIBUTE -160 POISON -160 [ -160 ] -160 ^ -160 _LABEL_CLOSE -160 _NEWLINE -160 and -160 in -160 or -160 { -160 } -160
!= -161 $END -161 % -161 ) -161 * -161 + -161 , -161 - -161 -> -161 .. -161 / -161 // -161 : -161 ; -161 < -161 <= -161 == -161 > -161 >= -161 ATTRIBUTE -161 POISON -161 [ -161 ] -161 ^ -161 _LABEL_CLOSE -161 _NEWLINE -161 and -161 in -161 or -161 { -161 } -161
!= -162 $END -162 % -162 ) -162 * -162 + -162 , -162 - -162 -> -162 .. -162 / -162 // -162 : -162 ; -162 < -162 <= -162 == -162 > -162 >= -162 ATTRIBUTE -162 POISON -162 [ -162 ] -162 ^ -162 _LABEL_CLOSE -162 _NEWLINE -162 and -162 in -162 or -162 { -162 } -162
!= -163 $END -163 % -163 ) -163 * -163 + -163 , -163 - -163 -> -163 .. -163 / -163 // -163 : -163 ; -163 < -163 <= -163 == -163 > -163 >= -163 ATTRIBUTE -163 POISON -163 [ -163 ] -163 ^ -163 _LABEL_CLOSE -163 _NEWLINE -163 and -163 in -163 or -163 { -163 } -163
!= -164 $END -164 % -164 ) -164 * -164 + -164 , -164 - -164 -> -164 .. -164 / -164 // -164 : -164 ; -164 < -164 <= -164 == -164 > -164 >= -164 ATTRIBUTE -164 POISON -164 [ -164 ] -164 ^ -164 _LABEL_CLOSE -164 _NEWLINE -164 and -164 in -164 or -164 { -164 } -164
!= -165 $END -165 % -165 ) -165 * -165 + -165 , -165 - -165 -> -165 .. -165 / -165 // -165 : -165 ; -165 < -165 <= -165 == -165 > -165 >= -165 ATTRIBUTE -165 POISON -165 [ -165 ] -165 ^ -165 _LABEL_CLOSE -165 _NEWLINE -165 and -165 in -165 or -165 { -165 } -165
!= -166 $END -166 % -166 ) -166 * -166 + -166 , -166 - -166 -> -166 .. -166 / -166 // -166 : -166 ; -166 < -166 <= -166 == -166 > -166 >= -166 ATTRIBUTE -166 POISON -166 [ -166 ] -166 ^ -166 _LABEL_CLOSE -166 _NEWLINE -166 and -166 in -166 or -166 { -166 } -166
!= -171 $END -171 % -171 ) -171 * -171 + -171 , -171 - -171 -> -171 .. -171 / -171 // -171 : -171 ; -171 < -171 <= -171 == -171 > -171 >= -171 ATTRIBUTE -171 POISON -171 [ -171 ] -171 ^ -171 _LABEL_CLOSE -171 _NEWLINE -171 and -171 in -171 or -171 { -171 } -171
!= -172 $END -172 % -172 ) -172 * -172 + -172 , -172 - -172 -> -172 .. -172 / -172 // -172 : -172 ; -172 < -172 <= -172 == -172 > -172 >= -172 ATTRIBUTE -172 POISON -172 [ -172 ] -172 ^ -172 _LABEL_CLOSE -172 _NEWLINE -172 and -172 in -172 or -172 { -172 } -172
!= -173 $END -173 % -173 ) -173 * -173 + -173 , -173 - -173 -> -173 .. -173 / -173 // -173 : -173 ; -173 < -173 <= -173 == -173 > -173 >= -173 ATTRIBUTE -173 POISON -173 [ -173 ] -173 ^ -173 _LABEL_CLOSE -173 _NEWLINE -173 and -173 in -173 or -173 { -173 } -173
!= -174 $END -174 % -174 ) -174 * -174 + -174 , -174 - -174 -> -174 .. -174 / -174 // -174 : -174 ; -174 < -174 <= -174 == -174 > -174 >= -174 ATTRIBUTE -174 POISON -174 [ -174 ] -174 ^ -174 _LABEL_CLOSE -174 _NEWLINE -174 and -174 in -174 or -174 { -174 } -174
!= -175 $END -175 % -175 ) -175 * -175 + -175 , -175 - -175 -> -175 .. -175 / -175 // -175 : -175 ; -175 < -175 <= -175 == -175 > -175 >= -175 ATTRIBUTE -175 POISON -175 [ -175 ] -175 ^ -175 _LABEL_CLOSE -175 _NEWLINE -175 and -175 in -175 or -175 { -175 } -175
!= -176 $END -176 % -176 ) -176 * -176 + -176 , -176 - -176 -> -176 .. -176 / -176 // -176 : -176 ; -176 < -176 <= -176 == -176 > -176 >= -176 ATTRIBUTE -176 POISON -176 [ -176 ] -176 ^ -176 _LABEL_CLOSE -176 _NEWLINE -176 and -176 in -176 or -176 { -176 } -176
!= -177 $END -177 % -177 ) -177 * -177 + -177 , -177 - -177 -> -177 .. -177 / -177 // -177 : -177 ; -177 < -177 <= -177 == -177 > -177 >= -177 ATTRIBUTE -177 POISON -177 [ -177 ] -177 ^ -177 _LABEL_CLOSE -177 _NEWLINE -177 and -177 in -177 or -177 { -177 } -177
!= -178 $END -178 % -178 ) -178 * -178 + -178 , -178 - -178 -> -178 .. -178 / -178 // -178 : -178 ; -178 < -178 <= -178 == -178 > -178 >= -178 ATTRIBUTE -178 POISON -178 [ -178 ] -178 ^ -178 _LABEL_CLOSE -178 _NEWLINE -178 and -178 in -178 or -178 { -178 } -178
!= -179 $END -179 % -179 ) -179 * -179 + -179 , -179 - -179 -> -179 .. -179 / -179 // -179 : -179 ; -179 < -179 <= -179 == -179 > -179 >= -179 ATTRIBUTE -179 POISON -179 [ -179 ] -179 ^ -179 _LABEL_CLOSE -179 _NEWLINE -179 and -179 else 220 in -179 or -179 { -179 } -179
!= -180 $END -180 % -180 ) -180 * -180 + -180 , -180 - -180 -> -180 .. -180 / -180 // -180 : -180 ; -180 < -180 <= -180 == -180 > -180 >= -180 ATTRIBUTE -180 POISON -180 [ -180 ] -180 ^ -180 _LABEL_CLOSE -180 _NEWLINE -180 and -180 in -180 or -180 { -180 } -180
!= -181 $END -181 % -181 ) -181 * -181 + -181 , -181 - -181 -> -181 .. -181 / -181 // -181 : -181 ; -181 < -181 <= -181 == -181 > -181 >= -181 ATTRIBUTE -181 POISON -181 [ -181 ] -181 ^ -181 _LABEL_CLOSE -181 _NEWLINE -181 and -181 in -181 or -181 { -181 } -181
!= -85 $END -85 % -85 ) -85 * -85 + -85 , -85 - -85 -> -85 .. -85 / -85 // -85 : -85 ; -85 < -85 <= -85 == -85 > -85 >= -85 ATTRIBUTE -85 POISON -85 [ -85 ] -85 ^ -85 _LABEL_CLOSE -85 _NEWLINE -85 and -85 else -85 in -85 or -85 { -85 } -85
!= -86 $END -86 % -86 ) -86 * -86 + -86 , -86 - -86 -> -86 .. -86 / -86 // -86 : -86 ; -86 < -86 <= -86 == -86 > -86 >= -86 ATTRIBUTE -86 POISON -86 [ -86 ] -86 ^ -86 _LABEL_CLOSE -86 _NEWLINE -86 and -86 else -86 in -86 or -86 { -86 } -86
!= -87 $END -87 % -87 ) -87 * -87 + -87 , -87 - -87 -> -87 .. -87 / -87 // -87 : -87 ; -87 < -87 <= -87 == -87 > -87 >= -87 ATTRIBUTE -87 POISON -87 [ -87 ] -87 ^ -87 _LABEL_CLOSE -87 _NEWLINE -87 and -87 else -87 in -87 or -87 { -87 } -87
!= 126 $END -110 ) -110 , -110 -> -110 : -110 ; -110 < 123 <= 127 == 125 > 124 >= 128 POISON -110 ] -110 _LABEL_CLOSE -110 _NEWLINE -110 and -110 in -110 or -110 { -110 } -110
$END -1
$END -10 _NEWLINE -10 } -10
$END -103 ) -103 , -103 -> -103 : -103 ; -103 POISON -103 ] -103 _LABEL_CLOSE -103 _NEWLINE -103 in -103 or 112 { -103 } -103
$END -104 ) -104 , -104 -> -104 : -104 ; -104 POISON -104 ] -104 _LABEL_CLOSE -104 _NEWLINE -104 and 111 in -104 or -104 { -104 } -104
$END -105 ) -105 , -105 -> -105 : -105 ; -105 POISON -105 ] -105 _LABEL_CLOSE -105 _NEWLINE -105 and 111 in -105 or -105 { -105 } -105
$END -106 ) -106 , -106 -> -106 : -106 ; -106 POISON -106 ] -106 _LABEL_CLOSE -106 _NEWLINE -106 and -106 in -106 or -106 { -106 } -106
$END -107 ) -107 , -107 -> -107 : -107 ; -107 POISON -107 ] -107 _LABEL_CLOSE -107 _NEWLINE -107 and -107 in -107 or -107 { -107 } -107
$END -108 ) -108 , -108 -> -108 : -108 ; -108 POISON -108 ] -108 _LABEL_CLOSE -108 _NEWLINE -108 and -108 in -108 or -108 { -108 } -108
$END -109 ) -109 , -109 -> -109 : -109 ; -109 POISON -109 ] -109 _LABEL_CLOSE -109 _NEWLINE -109 and -109 in -109 or -109 { -109 } -109
$END -11 _NEWLINE -11 } -11
$END -111 ) -111 , -111 -> -111 : -111 ; -111 POISON -111 ] -111 _LABEL_CLOSE -111 _NEWLINE -111 and -111 in -111 or -111 { -111 } -111
$END -112 ) -112 , -112 -> -112 : -112 ; -112 POISON -112 ] -112 _LABEL_CLOSE -112 _NEWLINE -112 and -112 in -112 or -112 { -112 } -112
$END -113 ) -113 , -113 -> -113 : -113 ; -113 POISON -113 ] -113 _LABEL_CLOSE -113 _NEWLINE -113 and -113 in -113 or -113 { -113 } -113
$END -114 ) -114 , -114 -> -114 : -114 ; -114 POISON -114 ] -114 _LABEL_CLOSE -114 _NEWLINE -114 and -114 in -114 or -114 { -114 } -114
$END -115 ) -115 , -115 -> -115 : -115 ; -115 POISON -115 ] -115 _LABEL_CLOSE -115 _NEWLINE -115 and -115 in -115 or -115 { -115 } -115
$END -116 ) -116 , -116 -> -116 : -116 ; -116 POISON -116 ] -116 _LABEL_CLOSE -116 _NEWLINE -116 and -116 in -116 or -116 { -116 } -116
$END -12 _NEWLINE -12 } -12
$END -13 _NEWLINE -13 } -13
$END -14 _NEWLINE -14 } -14
$END -15 _NEWLINE -15 } -15
$END -16 _NEWLINE -16 } -16
$END -17 _NEWLINE -17 } -17
$END -18 _NEWLINE -18 } -18
$END -182 _NEWLINE -182 } -182
$END -183 _NEWLINE -183 } -183
$END -188 , -188 _NEWLINE -188 } -188
$END -189 , -189 _NEWLINE -189 } -189
$END -19 _NEWLINE -19 } -19
$END -194 ) -194 , -194 -> -194 ; -194 ] -194 _NEWLINE -194 in -194 } -194
$END -195 ) -195 , -195 -> -195 ; -195 ] -195 _NEWLINE -195 in -195 } -195
$END -2 ( 13 - 15 LABEL_TEXT 10 NAME 17 NUMBER 21 POISON 24 STRING 26 [ 14 _LABEL_OPEN 30 block 2 data 3 dim 4 false 5 for 6 if 7 import 8 input 9 layer 11 let 12 model 16 nnspec 18 noise 19 not 20 output 22 param 23 require 25 target 27 train 28 true 29
$END -20 _NEWLINE -20 } -20
$END -21 _NEWLINE -21 } -21
$END -22 _NEWLINE -22 } -22
$END -23 _NEWLINE -23 } -23
$END -24 _NEWLINE -24 } -24
$END -25 _NEWLINE -25 } -25
$END -26 _NEWLINE -26 } -26
$END -27 _NEWLINE -27 } -27
$END -3
$END -4 _NEWLINE 177 } -4
$END -42 _NEWLINE -42 } -42
$END -43 _NEWLINE -43 } -43
$END -44 _NEWLINE -44 } -44
$END -45 _NEWLINE -45 } -45
$END -46 _NEWLINE -46 } -46
$END -47 _NEWLINE -47 } -47
$END -48 _NEWLINE -48 } -48
$END -5 _NEWLINE 113 } -5
$END -52 _NEWLINE -52 } -52
$END -53 _NEWLINE -53 in 274 } -53
$END -54 _NEWLINE -54 } -54
$END -55 _NEWLINE -55 } -55
$END -56 , 215 _NEWLINE -56 } -56
$END -57 , 143 _NEWLINE -57 } -57
$END -58 , -58 _NEWLINE -58 } -58
$END -59 , -59 = 142 _NEWLINE -59 } -59
$END -6 _NEWLINE -6 } -6
$END -60 _NEWLINE -60 } -60
$END -61 = 283 _NEWLINE -61 } -61
$END -62 _NEWLINE -62 } -62
$END -63 = 282 _NEWLINE -63 } -63
$END -64 _NEWLINE -64 } -64
$END -65 _NEWLINE -65 } -65
$END -66 _NEWLINE -66 } -66
$END -67 _NEWLINE -67 } -67
$END -68 _NEWLINE -68 } -68
$END -69 _NEWLINE -69 } -69
$END -7 _NEWLINE -7 } -7
$END -70 = -70 _NEWLINE -70 } -70
$END -71 = -71 [ 271 _NEWLINE -71 } -71
$END -72 = -72 _NEWLINE -72 } -72
$END -73 ( 270 = -73 [ 271 _NEWLINE -73 } -73
$END -74 = -74 _NEWLINE -74 } -74
$END -75 = -75 [ -75 _NEWLINE -75 } -75
$END -76 = -76 [ -76 _NEWLINE -76 } -76
$END -77 = -77 [ -77 _NEWLINE -77 } -77
$END -78 = -78 [ -78 _NEWLINE -78 } -78
$END -79 = -79 [ -79 _NEWLINE -79 } -79
$END -8 _NEWLINE -8 } -8
$END -80 = -80 _NEWLINE -80 } -80
$END -81 = -81 _NEWLINE -81 } -81
$END -82 = -82 _NEWLINE -82 } -82
$END -83 = -83 _NEWLINE -83 } -83
$END -84 = -84 _NEWLINE -84 } -84
$END -87 POISON -34 _NEWLINE -87 { -34 } -87
$END -88 ) -88 , -88 -> 129 ; -88 ] -88 _NEWLINE -88 in -88 } -88
$END -89 ) -89 , -89 -> 197 ; -89 ] -89 _NEWLINE -89 in -89 } -89
$END -9 _NEWLINE -9 } -9
$END -90 ) -90 , -90 -> -90 ; -90 ] -90 _NEWLINE -90 in -90 } -90
$END -91 ) -91 , -91 -> -91 ; -91 ] -91 _NEWLINE -91 in -91 } -91
$END -92 ) -92 , -92 -> -92 ; -92 ] -92 _NEWLINE -92 in -92 } -92
$END -93 ) -93 , -93 -> -93 ; -93 ] -93 _NEWLINE -93 in -93 } -93
$END -94 ) -94 , -94 -> -94 ; -94 ] -94 _NEWLINE -94 in -94 } -94
$END -95 ) -95 , -95 -> -95 ; -95 ] -95 _NEWLINE -95 in -95 } -95
$END -96 ) -96 , -96 -> -96 ; -96 ] -96 _NEWLINE -96 in -96 } -96
$END -97 ) -97 , -97 -> -97 ; -97 ] -97 _NEWLINE -97 in -97 } -97
$END -98 ) -98 , -98 -> -98 ; -98 ] -98 _NEWLINE -98 in -98 } -98
$END 45
$END 75
( -100 - -100 NAME -100 NUMBER -100 POISON -100 STRING -100 [ -100 false -100 for -100 if -100 not -100 true -100
( -167 ) -167 - -167 LABEL_TEXT -167 NAME -167 NUMBER -167 POISON -167 STRING -167 [ -167 _LABEL_OPEN -167 false -167 for -167 if -167 not -167 true -167
( -168 ) -168 - -168 LABEL_TEXT -168 NAME -168 NUMBER -168 POISON -168 STRING -168 [ -168 _LABEL_OPEN -168 false -168 for -168 if -168 not -168 true -168
( -99 - -99 NAME -99 NUMBER -99 POISON -99 STRING -99 [ -99 false -99 for -99 if -99 not -99 true -99
( 13 ) 163 - 15 LABEL_TEXT 10 NAME 162 NUMBER 21 POISON 24 STRING 26 [ 14 _LABEL_OPEN 30 false 5 for 6 if 7 not 20 true 29
( 13 ) 280 - 15 LABEL_TEXT 10 NAME 162 NUMBER 21 POISON 24 STRING 26 [ 14 _LABEL_OPEN 30 false 5 for 6 if 7 not 20 true 29
( 13 ) 303 - 15 NAME 83 NUMBER 21 POISON 24 STRING 26 [ 14 false 5 for 6 if 7 not 20 true 29
( 13 ) 309 - 15 LABEL_TEXT 10 NAME 162 NUMBER 21 POISON 24 STRING 26 [ 14 _LABEL_OPEN 30 false 5 for 6 if 7 not 20 true 29
( 13 ) 336 - 15 NAME 83 NUMBER 21 POISON 24 STRING 26 [ 14 false 5 for 6 if 7 not 20 true 29
( 13 ) 344 - 15 NAME 83 NUMBER 21 POISON 24 STRING 26 [ 14 false 5 for 6 if 7 not 20 true 29
( 13 , -140 - 15 NAME 83 NUMBER 21 POISON 24 STRING 26 [ 14 ] -140 false 5 for 6 if 7 not 20 true 29
( 13 , -143 - 15 NAME 83 NUMBER 21 POISON 24 STRING 26 [ 14 ] -143 false 5 for 6 if 7 not 20 true 29
( 13 , -144 - 15 : 286 NAME 83 NUMBER 21 POISON 24 STRING 26 [ 14 ] -144 false 5 for 6 if 7 not 20 true 29
( 13 , -146 - 15 NAME 83 NUMBER 21 POISON 24 STRING 26 [ 14 ] -146 false 5 for 6 if 7 not 20 true 29
( 13 , -149 - 15 NAME 83 NUMBER 21 POISON 24 STRING 26 [ 14 ] -149 false 5 for 6 if 7 not 20 true 29
( 13 , -150 - 15 : 244 NAME 83 NUMBER 21 POISON 24 STRING 26 [ 14 ] -150 false 5 for 6 if 7 not 20 true 29
( 13 - 15 : 179 NAME 83 NUMBER 21 POISON 24 STRING 26 [ 14 ] 288 false 5 for 6 if 7 not 20 true 29
( 13 - 15 : 179 NAME 83 NUMBER 21 POISON 24 STRING 26 [ 14 ] 316 false 5 for 6 if 7 not 20 true 29
( 13 - 15 : 179 NAME 83 NUMBER 21 POISON 24 STRING 26 [ 14 false 5 for 6 if 7 not 20 true 29
( 13 - 15 : 193 LABEL_TEXT 10 NAME 73 NUMBER 21 POISON 24 STRING 26 [ 14 _LABEL_OPEN 30 false 5 for 6 if 7 not 20 true 29
( 13 - 15 LABEL_TEXT 10 NAME 17 NUMBER 21 POISON 24 STRING 26 [ 14 _LABEL_OPEN 30 block 2 data 3 dim 4 false 5 for 6 if 7 import 8 input 9 layer 11 let 12 model 16 nnspec 18 noise 19 not 20 output 22 param 23 require 25 target 27 train 28 true 29
( 13 - 15 LABEL_TEXT 10 NAME 17 NUMBER 21 POISON 24 STRING 26 [ 14 _LABEL_OPEN 30 block 2 data 3 dim 4 false 5 for 6 if 7 import 8 input 9 layer 11 let 12 model 16 nnspec 18 noise 19 not 20 output 22 param 23 require 25 target 27 train 28 true 29 } 218
( 13 - 15 LABEL_TEXT 10 NAME 73 NUMBER 21 POISON 24 STRING 26 [ 14 ] 226 _LABEL_OPEN 30 false 5 for 6 if 7 not 20 true 29
( 13 - 15 LABEL_TEXT 10 NAME 73 NUMBER 21 POISON 24 STRING 26 [ 14 ] 275 _LABEL_OPEN 30 false 5 for 6 if 7 not 20 true 29
( 13 - 15 LABEL_TEXT 10 NAME 73 NUMBER 21 POISON 24 STRING 26 [ 14 ] 90 _LABEL_OPEN 30 false 5 for 6 if 7 not 20 true 29
( 13 - 15 LABEL_TEXT 10 NAME 73 NUMBER 21 POISON 24 STRING 26 [ 14 _LABEL_OPEN 30 false 5 for 6 if 7 not 20 true 29
( 13 - 15 NAME 83 NUMBER 21 POISON 24 STRING 26 [ 14 ] 292 false 5 for 6 if 7 not 20 true 29
( 13 - 15 NAME 83 NUMBER 21 POISON 24 STRING 26 [ 14 ] 305 false 5 for 6 if 7 not 20 true 29
( 13 - 15 NAME 83 NUMBER 21 POISON 24 STRING 26 [ 14 ] 331 false 5 for 6 if 7 not 20 true 29
( 13 - 15 NAME 83 NUMBER 21 POISON 24 STRING 26 [ 14 ] 339 false 5 for 6 if 7 not 20 true 29
( 13 - 15 NAME 83 NUMBER 21 POISON 24 STRING 26 [ 14 ] 342 false 5 for 6 if 7 not 20 true 29
( 13 - 15 NAME 83 NUMBER 21 POISON 24 STRING 26 [ 14 ] 345 false 5 for 6 if 7 not 20 true 29
( 13 - 15 NAME 83 NUMBER 21 POISON 24 STRING 26 [ 14 false 5 for 6 if 7 not 20 true 29
( 13 - 15 NAME 83 NUMBER 21 POISON 24 STRING 26 [ 14 false 5 for 6 if 7 true 29
( 134 POISON 135
( 134 POISON 157 { 147
( 209 = 208
) -169 , -169 ; -169
) -170 , -170 ; -170
) -184 , -184 ; -184
) -185 , -185 ; -185
) -192 , -192 ] -192
) -193 , -193 ] -193
) -200 , -200 ; -200
) -201 , -201 ; -201
) -35 ; -35 NAME 201 POISON 202
) -36 , 299 ; -36
) -37 ; -37 NAME 201 POISON 202
) -38 , 257 ; -38
) -39 , -39 ; -39
) -40 , -40 ; -40 = 252
) -41 , -41 ; -41
) 153
) 203 ; 204 NAME 201 POISON 202
) 233 , 232 ; 234
) 253 NAME 201 POISON 202
) 255 ; 256
) 278 , 232 ; 234
) 295
) 296 NAME 201 POISON 202
) 300
) 321
) 325 , 324
) 338 , 337
, -137 : 246 ] -137
, -138 ] -138
, -139 ] -139
, -141 : 315 ] -141
, -142 ] -142
, -145 ] -145
, -147 : 285 ] -147
, -148 ] -148
, -190 = -190 in -190
, -191 = -191 in -191
, -198 ] -198
, -199 ] -199
, -202 ] -202
, -203 ] -203
, 154 ] 155
, 166 = 167
, 166 in 217
, 228 ] 229
, 247 ] 248
, 290 ] 291
, 318 ] 319
, 327 ] 328
, 333 ] 334
, 340 ] 341
, 95 in 145
: -101 LABEL_TEXT -101 _LABEL_OPEN -101
: -102 LABEL_TEXT -102 _LABEL_OPEN -102
: -196 LABEL_TEXT -196 _LABEL_OPEN -196
: -197 LABEL_TEXT -197 _LABEL_OPEN -197
: 109 LABEL_TEXT 10 _LABEL_OPEN 30
: 150
: 168
: 170
: 171
= 151
= 152
= 169
= 323
NAME 100
NAME 102
NAME 103
NAME 105
NAME 106 { 77
NAME 137 POISON 138
NAME 137 POISON 138 } 139
NAME 160
NAME 221 POISON 222
NAME 237
NAME 76
NAME 78 { 77
NAME 80
NAME 82
NAME 86
NAME 87
NAME 88
NAME 93
NUMBER 99
POISON -28 { -28
POISON -29 { -29
POISON -30 { -30
POISON -31 { -31
POISON -32 { -32
POISON -33 { -33
POISON -34 { -34
POISON 148 if 7 { 147
POISON 148 { 147
STRING 260
STRING 85
[ 250
_LABEL_CLOSE 173
_NEWLINE -186 } -186
_NEWLINE -187 } -187
_NEWLINE -49 } -49
_NEWLINE -50 } -50
_NEWLINE -51 } -51
_NEWLINE 211 } 210
_NEWLINE 263 } 262
{ 77
} 267
"""
# the row of each state
ACTIONS_STATES = """\
84 179 266 267 268 27 269 186 285 270 243 271 272 179 178 187 273 22 274 256 186 24 257 258 33 186 25 259 260 26 186 247 143 54 245 14 86 133 28 61 57 55 73 56 87 152 32 31 122 71 102 186 76 70 29 142 59 5 75 81 74 30 121 12 10 2 53 85 140 0 72 63 111 21 93 153 188 262 295 96 110 108 242 20 283 89 248 252 253 206 43 232 11 189 157 263 179 158 233 88 249 62 254 250 118 251 295 98 287 154 246 186 186 174 94 144 15 187 172 187 187 187 187 187 187 187 187 187 187 173 141 187 187 187 207 281 283 190 292 101 293 95 186 268 107 186 234 175 52 47 264 179 179 44 176 42 235 139 92 283 226 120 23 38 208 191 265 179 264 179 264 264 97 244 60 58 77 174 13 169 218 236 219 9 7 6 8 66 68 64 65 67 69 286 82 146 145 173 4 3 1 204 205 280 209 210 202 90 179 284 100 261 294 109 79 268 283 186 51 296 282 126 127 105 116 104 41 230 177 40 91 179 155 37 156 211 159 227 119 115 117 113 106 78 168 224 166 170 19 237 180 83 179 279 212 277 213 201 200 291 214 288 99 261 80 49 283 50 45 46 160 181 124 125 186 39 231 192 35 161 36 197 179 179 225 167 165 221 18 228 171 17 151 238 203 278 276 215 193 199 255 289 48 132 216 138 239 123 103 34 198 114 112 223 222 164 16 229 182 150 240 275 194 179 162 131 217 183 137 241 220 149 195 184 148 290 130 163 129 136 185 135 147 196 128 134
"""
# a line a row: symbols, each with its number
GOTO_ROWS = """\

___entries_star_2 212
___items_star_0 114
___settings_star_1 258
__bind_star_4 146
__bind_star_4 98
__call_star_9 235 _separator 236
__dim_star_3 144
__label_plus_7 31 _expr 32 _items 219 _label_part 34 atom 35 bind 36 block 37 call 38 comparison 39 conjunction 40 data 41 dim 42 disjunction 43 expression 44 for 46 if 47 import 48 input 49 item 50 label 51 layer 52 let 53 list 54 model 55 negation 56 negative 57 noise 58 output 59 param 60 paren 61 pipeline 62 postfix 63 power 64 product 65 range 66 require 67 step 68 sum 69 target 70 train 71 version 72
__label_plus_7 31 _expr 32 _items 33 _label_part 34 atom 35 bind 36 block 37 call 38 comparison 39 conjunction 40 data 41 dim 42 disjunction 43 expression 44 file 45 for 46 if 47 import 48 input 49 item 50 label 51 layer 52 let 53 list 54 model 55 negation 56 negative 57 noise 58 output 59 param 60 paren 61 pipeline 62 postfix 63 power 64 product 65 range 66 require 67 step 68 sum 69 target 70 train 71 version 72
__label_plus_7 31 _expr 32 _label_part 34 _next_step 194 atom 35 call 38 comparison 39 conjunction 40 disjunction 43 for 46 if 47 label 51 list 54 negation 56 negative 57 paren 61 postfix 63 power 64 product 65 range 66 shape 195 step 196 sum 69
__label_plus_7 31 _expr 32 _label_part 34 _next_step 251 atom 35 call 38 comparison 39 conjunction 40 disjunction 43 for 46 if 47 label 51 list 54 negation 56 negative 57 paren 61 postfix 63 power 64 product 65 range 66 shape 195 step 196 sum 69
__label_plus_7 31 _expr 32 _label_part 34 argument 164 atom 35 call 38 comparison 39 conjunction 40 disjunction 43 for 46 if 47 label 51 list 54 negation 56 negative 57 paren 61 pipeline 165 postfix 63 power 64 product 65 range 66 step 68 sum 69
__label_plus_7 31 _expr 32 _label_part 34 argument 281 atom 35 call 38 comparison 39 conjunction 40 disjunction 43 for 46 if 47 label 51 list 54 negation 56 negative 57 paren 61 pipeline 165 postfix 63 power 64 product 65 range 66 step 68 sum 69
__label_plus_7 31 _expr 32 _label_part 34 argument 310 atom 35 call 38 comparison 39 conjunction 40 disjunction 43 for 46 if 47 label 51 list 54 negation 56 negative 57 paren 61 pipeline 165 postfix 63 power 64 product 65 range 66 step 68 sum 69
__label_plus_7 31 _expr 32 _label_part 34 atom 35 bind 36 block 37 call 38 comparison 39 conjunction 40 data 41 dim 42 disjunction 43 expression 44 for 46 if 47 import 48 input 49 item 176 label 51 layer 52 let 53 list 54 model 55 negation 56 negative 57 noise 58 output 59 param 60 paren 61 pipeline 62 postfix 63 power 64 product 65 range 66 require 67 step 68 sum 69 target 70 train 71 version 72
__label_plus_7 31 _expr 32 _label_part 34 atom 35 bind 36 block 37 call 38 comparison 39 conjunction 40 data 41 dim 42 disjunction 43 expression 44 for 46 if 47 import 48 input 49 item 243 label 51 layer 52 let 53 list 54 model 55 negation 56 negative 57 noise 58 output 59 param 60 paren 61 pipeline 62 postfix 63 power 64 product 65 range 66 require 67 step 68 sum 69 target 70 train 71 version 72
__label_plus_7 31 _expr 32 _label_part 34 atom 35 call 38 comparison 39 conjunction 40 disjunction 43 for 46 if 47 label 51 list 54 negation 56 negative 57 paren 61 pipeline 161 postfix 63 power 64 product 65 range 66 step 68 sum 69
__label_plus_7 31 _expr 32 _label_part 34 atom 35 call 38 comparison 39 conjunction 40 disjunction 43 for 46 if 47 label 51 list 54 negation 56 negative 57 paren 61 pipeline 224 postfix 63 power 64 product 65 range 66 step 68 sum 69
__label_plus_7 31 _expr 32 _label_part 34 atom 35 call 38 comparison 39 conjunction 40 disjunction 43 for 46 if 47 label 51 list 54 negation 56 negative 57 paren 61 pipeline 225 postfix 63 power 64 product 65 range 66 step 68 sum 69
__label_plus_7 31 _expr 32 _label_part 34 atom 35 call 38 comparison 39 conjunction 40 disjunction 43 for 46 if 47 label 51 list 54 negation 56 negative 57 paren 61 pipeline 227 postfix 63 power 64 product 65 range 66 step 68 sum 69
__label_plus_7 31 _expr 32 _label_part 34 atom 35 call 38 comparison 39 conjunction 40 disjunction 43 for 46 if 47 label 51 list 54 negation 56 negative 57 paren 61 pipeline 238 postfix 63 power 64 product 65 range 66 step 68 sum 69
__label_plus_7 31 _expr 32 _label_part 34 atom 35 call 38 comparison 39 conjunction 40 disjunction 43 for 46 if 47 label 51 list 54 negation 56 negative 57 paren 61 pipeline 240 postfix 63 power 64 product 65 range 66 step 68 sum 69
__label_plus_7 31 _expr 32 _label_part 34 atom 35 call 38 comparison 39 conjunction 40 disjunction 43 for 46 if 47 label 51 list 54 negation 56 negative 57 paren 61 pipeline 259 postfix 63 power 64 product 65 range 66 step 68 sum 69
__label_plus_7 31 _expr 32 _label_part 34 atom 35 call 38 comparison 39 conjunction 40 disjunction 43 for 46 if 47 label 51 list 54 negation 56 negative 57 paren 61 pipeline 276 postfix 63 power 64 product 65 range 66 step 68 sum 69
__label_plus_7 31 _expr 32 _label_part 34 atom 35 call 38 comparison 39 conjunction 40 disjunction 43 for 46 if 47 label 51 list 54 negation 56 negative 57 paren 61 pipeline 277 postfix 63 power 64 product 65 range 66 step 68 sum 69
__label_plus_7 31 _expr 32 _label_part 34 atom 35 call 38 comparison 39 conjunction 40 disjunction 43 for 46 if 47 label 51 list 54 negation 56 negative 57 paren 61 pipeline 294 postfix 63 power 64 product 65 range 66 step 68 sum 69
__label_plus_7 31 _expr 32 _label_part 34 atom 35 call 38 comparison 39 conjunction 40 disjunction 43 for 46 if 47 label 51 list 54 negation 56 negative 57 paren 61 pipeline 311 postfix 63 power 64 product 65 range 66 step 68 sum 69
__label_plus_7 31 _expr 32 _label_part 34 atom 35 call 38 comparison 39 conjunction 40 disjunction 43 for 46 if 47 label 51 list 54 negation 56 negative 57 paren 61 pipeline 312 postfix 63 power 64 product 65 range 66 step 68 sum 69
__label_plus_7 31 _expr 32 _label_part 34 atom 35 call 38 comparison 39 conjunction 40 disjunction 43 for 46 if 47 label 51 list 54 negation 56 negative 57 paren 61 pipeline 335 postfix 63 power 64 product 65 range 66 step 68 sum 69
__label_plus_7 31 _expr 32 _label_part 34 atom 35 call 38 comparison 39 conjunction 40 disjunction 43 for 46 if 47 label 51 list 54 negation 56 negative 57 paren 61 pipeline 74 postfix 63 power 64 product 65 range 66 step 68 sum 69 value 75
__label_plus_7 31 _expr 32 _label_part 34 atom 35 call 38 comparison 39 conjunction 40 disjunction 43 for 46 if 47 label 51 list 54 negation 56 negative 57 paren 61 pipeline 89 postfix 63 power 64 product 65 range 66 step 68 sum 69
__label_plus_7 31 _expr 32 _label_part 34 atom 35 call 38 comparison 39 conjunction 40 disjunction 43 for 46 if 47 label 51 list 54 negation 56 negative 57 paren 61 pipeline 91 postfix 63 power 64 product 65 range 66 step 68 sum 69
__list_star_10 156
__pipeline_plus_6 130
__postfix_star_8 249
__type_arguments_star_5 320
__type_arguments_star_5 326
__type_arguments_star_5 329
_entries 107
_entries 141
_entries 172
_entries 79
_expr 104 atom 35 call 38 comparison 39 conjunction 40 disjunction 43 for 46 if 47 list 54 negation 56 negative 57 paren 61 postfix 63 power 64 product 65 range 66 sum 69
_expr 108 atom 35 call 38 comparison 39 conjunction 40 disjunction 43 for 46 if 47 list 54 negation 56 negative 57 paren 61 postfix 63 power 64 product 65 range 66 sum 69
_expr 115 atom 35 call 38 comparison 39 conjunction 40 disjunction 43 for 46 if 47 list 54 negation 56 negative 57 paren 61 postfix 63 power 64 product 65 range 66 sum 69
_expr 180 _index 181 atom 35 call 38 comparison 39 conjunction 40 disjunction 43 for 46 if 47 list 54 negation 56 negative 57 paren 61 postfix 63 power 64 product 65 range 66 slice 182 sum 69
_expr 180 _index 289 atom 35 call 38 comparison 39 conjunction 40 disjunction 43 for 46 if 47 list 54 negation 56 negative 57 paren 61 postfix 63 power 64 product 65 range 66 slice 182 sum 69
_expr 180 _index 317 atom 35 call 38 comparison 39 conjunction 40 disjunction 43 for 46 if 47 list 54 negation 56 negative 57 paren 61 postfix 63 power 64 product 65 range 66 slice 182 sum 69
_expr 213 atom 35 call 38 comparison 39 conjunction 40 disjunction 43 for 46 if 47 list 54 negation 56 negative 57 paren 61 postfix 63 power 64 product 65 range 66 sum 69
_expr 216 atom 35 call 38 comparison 39 conjunction 40 disjunction 43 for 46 if 47 list 54 negation 56 negative 57 paren 61 postfix 63 power 64 product 65 range 66 sum 69
_expr 245 atom 35 call 38 comparison 39 conjunction 40 disjunction 43 for 46 if 47 list 54 negation 56 negative 57 paren 61 postfix 63 power 64 product 65 range 66 sum 69
_expr 266 atom 35 call 38 comparison 39 conjunction 40 disjunction 43 for 46 if 47 list 54 negation 56 negative 57 paren 61 postfix 63 power 64 product 65 range 66 sum 69
_expr 284 atom 35 call 38 comparison 39 conjunction 40 disjunction 43 for 46 if 47 list 54 negation 56 negative 57 paren 61 postfix 63 power 64 product 65 range 66 sum 69
_expr 287 atom 35 call 38 comparison 39 conjunction 40 disjunction 43 for 46 if 47 list 54 negation 56 negative 57 paren 61 postfix 63 power 64 product 65 range 66 sum 69
_expr 293 atom 35 call 38 comparison 39 conjunction 40 disjunction 43 for 46 if 47 list 54 negation 56 negative 57 paren 61 postfix 63 power 64 product 65 range 66 sum 69
_expr 304 atom 35 call 38 comparison 39 conjunction 40 disjunction 43 for 46 if 47 list 54 negation 56 negative 57 paren 61 postfix 63 power 64 product 65 range 66 sum 69
_expr 306 atom 35 call 38 comparison 39 conjunction 40 disjunction 43 for 46 if 47 list 54 negation 56 negative 57 paren 61 postfix 63 power 64 product 65 range 66 sum 69
_expr 308 atom 35 call 38 comparison 39 conjunction 40 disjunction 43 for 46 if 47 list 54 negation 56 negative 57 paren 61 postfix 63 power 64 product 65 range 66 sum 69
_expr 313 atom 35 call 38 comparison 39 conjunction 40 disjunction 43 for 46 if 47 list 54 negation 56 negative 57 paren 61 postfix 63 power 64 product 65 range 66 sum 69
_expr 314 atom 35 call 38 comparison 39 conjunction 40 disjunction 43 for 46 if 47 list 54 negation 56 negative 57 paren 61 postfix 63 power 64 product 65 range 66 sum 69
_expr 330 atom 35 call 38 comparison 39 conjunction 40 disjunction 43 for 46 if 47 list 54 negation 56 negative 57 paren 61 postfix 63 power 64 product 65 range 66 sum 69
_expr 332 atom 35 call 38 comparison 39 conjunction 40 disjunction 43 for 46 if 47 list 54 negation 56 negative 57 paren 61 postfix 63 power 64 product 65 range 66 sum 69
_expr 343 atom 35 call 38 comparison 39 conjunction 40 disjunction 43 for 46 if 47 list 54 negation 56 negative 57 paren 61 postfix 63 power 64 product 65 range 66 sum 69
_expr 84 atom 35 call 38 comparison 39 conjunction 40 disjunction 43 for 46 if 47 list 54 negation 56 negative 57 paren 61 postfix 63 power 64 product 65 range 66 sum 69
_label_part 110
_separator 279
_settings 205 setting 206
_settings 254 setting 206
_settings 297 setting 206
atom 35 call 38 comparison 39 conjunction 175 for 46 if 47 list 54 negation 56 negative 57 paren 61 postfix 63 power 64 product 65 range 66 sum 69
atom 35 call 38 comparison 39 for 46 if 47 list 54 negation 101 negative 57 paren 61 postfix 63 power 64 product 65 range 66 sum 69
atom 35 call 38 comparison 39 for 46 if 47 list 54 negation 174 negative 57 paren 61 postfix 63 power 64 product 65 range 66 sum 69
atom 35 call 38 for 46 if 47 list 54 negative 178 paren 61 postfix 63 power 64
atom 35 call 38 for 46 if 47 list 54 negative 183 paren 61 postfix 63 power 64
atom 35 call 38 for 46 if 47 list 54 negative 184 paren 61 postfix 63 power 64
atom 35 call 38 for 46 if 47 list 54 negative 185 paren 61 postfix 63 power 64
atom 35 call 38 for 46 if 47 list 54 negative 186 paren 61 postfix 63 power 64
atom 35 call 38 for 46 if 47 list 54 negative 57 paren 61 postfix 63 power 64 product 198
atom 35 call 38 for 46 if 47 list 54 negative 57 paren 61 postfix 63 power 64 product 199
atom 35 call 38 for 46 if 47 list 54 negative 57 paren 61 postfix 63 power 64 product 65 range 187 sum 69
atom 35 call 38 for 46 if 47 list 54 negative 57 paren 61 postfix 63 power 64 product 65 range 188 sum 69
atom 35 call 38 for 46 if 47 list 54 negative 57 paren 61 postfix 63 power 64 product 65 range 189 sum 69
atom 35 call 38 for 46 if 47 list 54 negative 57 paren 61 postfix 63 power 64 product 65 range 190 sum 69
atom 35 call 38 for 46 if 47 list 54 negative 57 paren 61 postfix 63 power 64 product 65 range 191 sum 69
atom 35 call 38 for 46 if 47 list 54 negative 57 paren 61 postfix 63 power 64 product 65 range 192 sum 69
atom 35 call 38 for 46 if 47 list 54 negative 57 paren 61 postfix 63 power 64 product 65 sum 200
atom 35 call 38 for 46 if 47 list 54 negative 92 paren 61 postfix 63 power 64
body 149
body 158 head 159
body 207
body 230
body 265
body 268 if 269
body 302
entry 140
entry 261
entry 301
head 136
setting 298
setting 322
size 214
size 264
size 81
type 223
type 239
type 241
type 242
type_arguments 272 type_sizes 273
type_sizes 307
"""
# the row of each state
GOTO_STATES = """\
9 30 0 42 103 0 0 64 0 0 0 0 0 31 32 87 0 5 0 0 71 0 0 0 0 43 0 0 39 0 44 65 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 2 45 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 34 0 0 0 0 0 0 0 98 95 40 0 0 7 4 0 88 0 0 0 0 0 0 33 0 89 0 0 17 12 0 0 0 0 0 0 0 0 41 0 0 0 0 72 70 15 0 0 0 73 46 74 75 76 77 80 81 82 83 84 85 10 0 78 79 86 67 0 90 0 0 0 1 0 49 101 0 50 0 8 0 0 104 18 19 0 20 0 0 0 0 91 0 0 0 0 6 0 0 21 105 22 106 107 0 0 0 0 0 16 0 51 0 35 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 11 0 0 0 0 0 0 68 0 3 0 23 0 0 96 0 0 0 102 92 52 0 0 93 108 0 0 0 0 0 0 24 0 0 25 0 0 0 66 13 0 0 0 0 0 0 0 53 0 54 47 0 0 55 0 26 0 0 0 69 99 0 0 0 0 0 97 0 0 94 0 0 0 56 57 109 0 58 0 0 0 0 14 0 0 27 28 0 59 60 0 0 0 48 0 0 36 0 0 0 0 0 100 0 0 0 0 37 0 38 0 0 0 0 0 0 0 0 61 0 0 62 0 0 0 0 29 62 0 0 62 0 0 0 0 0 63 0 0 0 63 0 0 63 0 0 0 0 0
"""
